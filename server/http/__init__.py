"""The HTTP entry: all that lies between a request and the execution of an operation, and nothing of the schema.

app        the routes and what surrounds them        ->  edge, health, graphql
graphql    one request to /graphql, from first byte to last
request    what was asked (body or query string)      accept   what may be answered
departure  a client that hangs up
origin     from where it comes
navigation a browser that opens the address          protocol what a connection may take its time for
"""
