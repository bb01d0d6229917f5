// npm's graphql-ws (https://the-guild.dev/graphql/ws), so many clients of one room: each connects to the first URL, and
// whenever it has to connect again, to the next one; it goes on behind the cursor that it had last. Says "ready" once all
// are subscribed. When they have so many messages each, prints their numbers and how sockets were closed, as JSON.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [, , token, room, clients, messages, ...urls] = process.argv;
const closed = [];

function follow() {
  const seen = [];
  const variables = { room, after: null };
  let connections = 0;
  let subscribed;
  const begun = new Promise((resolve) => (subscribed = resolve));
  const ended = new Promise((resolve, reject) => {
    const client = createClient({
      url: () => urls[Math.min(connections++, urls.length - 1)],
      webSocketImpl: WebSocket,
      lazy: true,
      retryAttempts: 100,
      retryWait: () => new Promise((again) => setTimeout(again, 50)),
      connectionParams: { authorization: `Bearer ${token}` },
      on: {
        // A pong comes only once the subscriptions before its ping have their position.
        connected: (socket) => setTimeout(() => socket.readyState === 1 && socket.send('{"type":"ping"}'), 100),
        message: (message) => message.type === 'pong' && subscribed(),
        closed: (event) => closed.push(event.code ?? String(event)),
      },
    });
    const query = `subscription ($room: ID!, $after: String) {
      messageAdded(roomId: $room, after: $after) { cursor message { sequence } }
    }`;
    client.subscribe(
      { query, variables },
      {
        next({ data }) {
          variables.after = data.messageAdded.cursor;
          seen.push(data.messageAdded.message.sequence);
          if (seen.length === Number(messages)) resolve(client.dispose());
        },
        error: reject,
        complete() {},
      },
    );
  });
  return { begun, ended, seen };
}

const all = Array.from({ length: Number(clients) }, follow);
await Promise.all(all.map(({ begun }) => begun));
console.log('ready');
await Promise.all(all.map(({ ended }) => ended));
console.log(JSON.stringify({ seen: all.map(({ seen }) => seen), closed }));
