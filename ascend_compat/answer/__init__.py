"""From the results of the stages to the parts of a report."""
