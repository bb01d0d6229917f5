// npm's graphql-ws on ws, as their documentation sets them up: each subscriber has an iterator of their own, and each
// event is executed and encoded for each of them. POST /graphql is an event.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const { BENCH_BYTES, PARLEY_PORT } = process.env;
const event = JSON.parse(readFileSync(BENCH_BYTES, 'utf8')).payload.data.messageAdded;

const schema = buildSchema(`
  type Author { id: ID! name: String! }
  type Message { id: ID! sequence: Int! body: String! createdAt: String! editedAt: String author: Author! }
  type MessageAdded { cursor: String! message: Message! }
  type Query { hello: String! }
  type Subscription { messageAdded(roomId: ID!, after: String): MessageAdded! }
`);

const subscribers = new Set();

function publish(value) {
  for (const push of subscribers) push(value);
}

async function* subscribe() {
  const waiting = [];
  let wake = () => {};
  const push = (value) => {
    waiting.push(value);
    wake();
  };
  subscribers.add(push);
  try {
    for (;;) {
      if (!waiting.length) await new Promise((resolve) => (wake = resolve));
      while (waiting.length) yield { messageAdded: waiting.shift() };
    }
  } finally {
    subscribers.delete(push);
  }
}

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    publish(event);
    const body = '{"data":{}}';
    response.writeHead(200, { 'content-type': 'application/graphql-response+json', 'content-length': body.length });
    response.end(body);
  });
});

useServer({ schema, roots: { subscription: { messageAdded: subscribe } } }, new WebSocketServer({ server, path: '/graphql' }));
server.listen({ host: '127.0.0.1', port: Number(PARLEY_PORT), backlog: 2048 });
process.on('SIGTERM', () => process.exit());
