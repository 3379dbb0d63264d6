"""Where things are kept: objects, folders of objects, and the embedded mode's queue."""
