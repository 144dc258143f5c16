"""Views of a report: Markdown, HTML, terminal, YAML, SARIF, JUnit, GitHub annotations."""
