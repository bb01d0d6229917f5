// An app on npm's graphql-ws (https://the-guild.dev/graphql/ws) that shows a room at the URL given: queries it, goes on
// behind the query's cursor, and queries anew where that is gone.
import { ADDED, ROOM, ask, client, expired, room, show } from './app.mjs';

async function answer(query, variables) {
  ask();
  for await (const { data, errors } of client.iterate({ query, variables })) return data ?? Promise.reject(errors);
}

async function follow() {
  const found = (await answer(ROOM, { room })).room;
  const messages = [...found.messages.nodes];
  show(messages);
  const variables = { room, after: found.eventCursor };
  for await (const { data } of client.iterate({ query: ADDED, variables })) {
    variables.after = data.messageAdded.cursor; // a retry sends the variables again
    messages.push(data.messageAdded.message);
    show(messages);
  }
}

for (let again = true; again; ) {
  again = await follow().then(() => false, (errors) => expired(errors) || Promise.reject(errors));
}
