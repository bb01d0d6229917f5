"""The explorer: GraphiQL at /graphql for browsers, built from `web/` and served by the API itself.

build    makes it, with npm packages, at set-up           node      the Node.js that this takes
place    where a build of these sources lies              bundle    a build, as the process serves it
page     the page, what it is told, and its policy        mount     all of it, as routes
"""
