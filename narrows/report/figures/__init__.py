"""The figures of a report, each as SVG that also stands alone."""
