"""Images in other languages, by one contract."""

import pytest

# So that a comparison that fails there shows what was compared.
pytest.register_assert_rewrite("tests.languages.contract")
