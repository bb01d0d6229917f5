"""Executing GraphQL, whatever it comes in through.

asked      what a client asks for                     document   what is to be executed (cached), limits, cost
execution  from there to a result                     engine     the seam to schema and resolvers
error      what may be told                           payload    JSON in and out
strangers  what anybody may make it read              sparingly  what is costly and never urgent
at_once    how many of one user's queries run
"""
