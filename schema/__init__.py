"""The GraphQL face: types, inputs, payloads and who may see what. No SQL, and no rules of its own."""
