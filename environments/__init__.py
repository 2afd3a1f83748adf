"""Where things run: the engine, images, nodes, sessions and the witness. The only importer of docker."""
