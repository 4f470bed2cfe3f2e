"""What the doctor asks, one file for each part of the way; `base` is their seam."""
