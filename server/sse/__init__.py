"""GraphQL over Server-Sent Events, one operation a connection.

endpoint   who is let in, and what is answered         outlet   what waits for one client, and its way out
"""
