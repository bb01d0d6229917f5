// npm's graphql-ws (https://the-guild.dev/graphql/ws) at the URL given. Plays the scene named, and prints what it has
// come to see, as JSON.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [, , url, scene, ...tokens] = process.argv;
const seen = [];
let connections = 0;

const PONGS = 3;
let answered;
const pongs = new Promise((resolve) => (answered = resolve));

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryWait: async () => {},
  retryAttempts: 3,
  keepAlive: scene === 'keepAlive' ? 20 : 0,
  connectionParams: () => {
    const token = tokens[Math.min(connections++, tokens.length - 1)];
    return token ? { authorization: `Bearer ${token}` } : undefined;
  },
  on: {
    closed: ({ code, reason }) => seen.push({ closed: code, reason }),
    pong: (received) => {
      if (!received) return;
      seen.push('pong');
      if (seen.filter((each) => each === 'pong').length === PONGS) answered();
    },
  },
});

// Every result, then 'complete' or the error.
async function all(query, onResult = () => {}) {
  await new Promise((resolve) => {
    const dispose = client.subscribe(
      { query },
      {
        next: (result) => {
          seen.push(result);
          onResult(dispose);
        },
        error: (error) => {
          seen.push({ error: Array.isArray(error) ? error.map((each) => each.extensions.code) : error.code });
          resolve();
        },
        complete: () => {
          seen.push('complete');
          resolve();
        },
      },
    );
  });
}

const scenes = {
  query: () => all('{ hello }'),
  mutation: () => all('mutation { send }'),
  error: () => all('{ hullo }'),
  subscription: () => all('subscription { tick }'),
  completed: () => all('subscription { tick }', (dispose) => setTimeout(dispose)),
  // Completed by the client, once so many pongs have come.
  keepAlive: () => all('subscription { tick }', (dispose) => pongs.then(dispose)),
};

await scenes[scene]();
await client.dispose();
console.log(JSON.stringify({ connections, seen }));
