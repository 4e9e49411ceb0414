"""The house: settings, URLs, Celery, the embedded services. Imports everything, imported by nobody."""
