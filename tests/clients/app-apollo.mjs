// The same app on Apollo Client (https://www.apollographql.com/docs/react), whose cache holds what it shows.
import { ApolloClient, ApolloLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { map } from 'rxjs';
import { ADDED, ROOM, ask, client, expired, room, show } from './app.mjs';

const resuming = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) => {
      operation.variables.after = result.data?.messageAdded?.cursor ?? operation.variables.after;
      return result;
    }),
  ),
);
const apollo = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.from([resuming, new GraphQLWsLink(client)]),
});
const watched = apollo.watchQuery({ query: gql(ROOM), variables: { room }, fetchPolicy: 'cache-only' });
watched.subscribe(({ data }) => data?.room && show(data.room.messages.nodes));

function fail(error) {
  throw error;
}

async function follow() {
  ask();
  const { data } = await watched.refetch();
  const stop = watched.subscribeToMore({
    document: gql(ADDED),
    variables: { room, after: data.room.eventCursor },
    updateQuery: ({ room }, { subscriptionData }) => {
      const nodes = [...room.messages.nodes, subscriptionData.data.messageAdded.message];
      return { room: { ...room, messages: { ...room.messages, nodes } } };
    },
    onError: (error) => {
      stop();
      (expired(error.errors) ? follow() : Promise.reject(error)).catch(fail);
    },
  });
}

await follow();
