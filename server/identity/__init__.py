"""Keys of firms' own issuers.

fetch   one JWK set, from where it is published         keyring   what is known, for how long, and when to ask again
"""
