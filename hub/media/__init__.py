"""Pictures that cameras and people hand in, stored beside everything else as pixels and nothing more."""
