"""The demo against two online apps: Business Central and Dataverse, as the protocol servers of ``tests/odata`` speak them.

``host`` runs one of them as a process of its own, ``sample`` fills it, ``apps`` says where they are and lets people work in
them through their own API, ``setup`` tells Tandem about them by its own services, ``people`` run into what the demo shows,
``faults`` is what can be broken. As in the other demo, nothing here writes to Tandem's problems or entries.
"""
