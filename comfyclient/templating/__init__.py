"""Templates: manifests, stages, slots, rendering, and new ones made of graphs."""
