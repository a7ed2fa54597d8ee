"""A training store as one small file: `packer` writes it, `file` opens it."""
