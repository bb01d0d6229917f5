import { getOperationAST, Kind } from "graphql";

/**
 * What makes a subscription go on where it was cut. graphql-ws sends the payload that it was first given each time it
 * connects again, and so would show everything once more: the cursor of what was shown last goes into it.
 *
 * Only where the operation declares `$after`; one that doesn't begins at "now" each time.
 */
export function resuming(asked, document) {
  const operation = getOperationAST(document, asked.operationName);
  const declares = operation?.variableDefinitions?.some(({ variable }) => variable.name.value === "after");
  const payload = declares ? { ...asked, variables: { ...asked.variables } } : asked;
  return {
    payload,
    shown(result) {
      const cursor = declares && cursorIn(result.data);
      if (cursor) payload.variables.after = cursor;
    },
  };
}

function cursorIn(data) {
  for (const event of Object.values(data ?? {})) if (typeof event?.cursor === "string") return event.cursor;
  return null;
}

export function isSubscription(document, operationName) {
  const operation = getOperationAST(document, operationName);
  return operation?.kind === Kind.OPERATION_DEFINITION && operation.operation === "subscription";
}
