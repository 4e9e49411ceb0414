"""Test servers that speak the protocols of Dataverse, Business Central and plain OData V4, and refuse what these refuse.

    server             sockets, signing in, a log of requests, trouble; ``tokens`` and ``faults``
    service            what all three do: addresses, queries, pages; ``filters``, ``paging``, ``store``, ``csdl``, ``wire``
    dataverse          with ``dataverse_service``, ``dataverse_writing``, ``delta``, ``definitions``, ``batch_multipart``
    business_central   with ``business_central_service`` and ``batch_json``
    plain              text keys and numbers
    standard_*         the tables people map, with the lengths of the real ones

In a test: ``with DataverseServer() as server: …`` or the fixtures of ``fixtures``. By hand: ``python -m tests.odata …``.
"""
