# The full screen's own words.
