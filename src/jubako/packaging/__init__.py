"""From an entry of the repository to a bento, and from that to a container's image."""
