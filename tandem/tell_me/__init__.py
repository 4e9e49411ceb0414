"""*Tell Me*: pages, actions, mappings, records and jobs by what people call them, in any of the three languages.

``entry`` is one thing that can be found; ``pages``, ``actions`` and ``states`` are the table of them; ``match`` compares
words; ``find`` answers.
"""
