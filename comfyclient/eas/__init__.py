"""PAI-EAS: a service's JSON, its mount, its GPUs and regions, who must be let in."""
