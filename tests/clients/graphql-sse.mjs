// npm's graphql-sse (https://the-guild.dev/graphql/sse) at the URL given, with distinct connections. Subscribes by the
// query given, or asks it; prints what it has come to see, as JSON.
import { createClient } from 'graphql-sse';

const [, , url, query, token, most] = process.argv;
const seen = [];
const client = createClient({
  url,
  retryAttempts: 3,
  retry: async () => {},
  headers: () => (token ? { authorization: `Bearer ${token}` } : {}),
});

await new Promise((resolve) => {
  const dispose = client.subscribe(
    { query },
    {
      next: (result) => {
        seen.push(result);
        if (most && seen.length >= Number(most)) dispose();
      },
      error: (error) => {
        seen.push({ error: error.response ? error.response.status : String(error) });
        resolve();
      },
      complete: () => {
        seen.push('complete');
        resolve();
      },
    },
  );
});
client.dispose();
console.log(JSON.stringify(seen));
