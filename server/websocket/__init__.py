"""The WebSocket entry: GraphQL over WebSocket (`graphql-transport-ws`), and nothing of the schema.

entry       who is let in                             connection  one socket, from `connection_init` to its end
message     what a client may say                     frame       what it is told, as bytes
operation   one operation's way to its client         outgoing    the bounded queue of one socket, and its writer
pongs       answers to pings, in their turn           closing     why a socket is closed
protocol    uvicorn's, with a straight way out        pace        turns of who says very much
idle        a queue and an event that take little
"""
