"""The built-in pages that links in mails open, where a firm has none of its own: /invitation, /sign-in, /reset.

parts/    their HTML: what is around each, and what is in each      page    a page, put together
assets/   scripts and the style sheet; no build step                files   those, as they are sent
                                                                    mount   all of it, as routes
"""
