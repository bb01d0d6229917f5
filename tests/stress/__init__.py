"""A stress of live delivery on real servers, with whatever can break broken: `make stress`.

`firm` is what it runs on, `phone` a subscriber, `writers` who makes things happen, `faults` what is broken and when.
`history` is what the database has in the end, `judge` compares it with what the phones were given, `report` shows it.
"""
