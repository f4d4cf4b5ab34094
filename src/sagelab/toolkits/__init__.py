"""What scripts import of the toolkits in AWS's images that have no wheel: on the path of those images' hosts."""
