"""Two business apps to try Tandem on: an ERP and a CRM, each a PostgreSQL database of its own.

``databases`` makes them, ``seed`` fills them, ``setup`` tells Tandem about them, ``people`` work in them and so meet the
faults that the demo shows, ``traffic`` goes on working. Nothing here writes to Tandem's problems or entries: what the
pages show was found by real jobs.
"""
