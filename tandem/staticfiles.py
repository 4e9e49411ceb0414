"""Static files under names that carry a hash of their content, so that browsers may keep them for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites the imports between our own ES modules, which Django leaves alone by default."""

    support_js_module_import_aggregation = True
