// What the two apps have in common that show a room's messages: README's client, and the screen. A screen is printed
// each time as JSON: how often the room was queried, and the texts that stand there.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [, , url, token, id] = process.argv;

globalThis.WebSocket ??= WebSocket; // Apollo's link looks for it

export const room = id;
export const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ authorization: `Bearer ${token}` }),
  retryAttempts: Infinity,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  shouldRetry: () => true,
});

export const ROOM = `query ($room: ID!) {
  room(id: $room) { id messages(last: 100) { nodes { id body } } eventCursor }
}`;
export const ADDED = `subscription ($room: ID!, $after: String) {
  messageAdded(roomId: $room, after: $after) { cursor message { id body } }
}`;

export const expired = (errors) => errors?.[0]?.extensions?.code === 'CURSOR_EXPIRED';

let asked = 0;
export function ask() {
  asked += 1;
}
export function show(messages) {
  console.log(JSON.stringify({ asked, texts: messages.map(({ body }) => body) }));
}
