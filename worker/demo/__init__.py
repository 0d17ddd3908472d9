"""A network with a narrow layer, trained on real data: what `narrows demo` analyses."""
