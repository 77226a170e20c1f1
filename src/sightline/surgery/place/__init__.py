"""Whether the places of a layer lie where the grid says: read off the graph, or measured."""
