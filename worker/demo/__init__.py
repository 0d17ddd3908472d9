"""The network of `narrows demo`: trained on real data, with a layer that is too narrow."""
