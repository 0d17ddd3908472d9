"""What was found, in the formats that pipelines show: JUnit, SARIF, GitHub's annotations."""
