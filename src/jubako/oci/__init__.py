"""A client of registries: the OCI Distribution Specification 1.1, over HTTP.

==================  =====================================================================================
`reference.py`      ``registry[:port]/repository[:tag][@sha256:...]``
`manifest.py`       manifests, indexes and descriptors, as JSON and as types
`credentials.py`    who the user is, by the files and helpers of container tools
`certificates.py`   whom to trust, and which certificate to show, by the folders of container tools
`authorization.py`  anonymous, basic and bearer authentication
`remote.py`         one repository of a registry: manifests, blobs, tags, referrers
`upload.py`         one blob on its way to a registry
==================  =====================================================================================

Whatever comes from a registry is compared with its digest before anybody sees it.
"""
