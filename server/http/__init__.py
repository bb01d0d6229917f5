"""The HTTP entry: all that lies between a request and the execution of a schema, and nothing of the schema.

app        the routes and what surrounds them        ->  edge, health, graphql
graphql    one request to /graphql, from first byte to last
request    what was asked (body or query string)      accept   what may be answered
bearer     who asks                                   document what is to be executed (cached), limits
error      what may be told                           payload  JSON in and out
departure  a client that hangs up                     engine   the seam to schema and resolvers
"""
