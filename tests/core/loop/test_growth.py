"""How large a change is, with its tests apart."""

from __future__ import annotations

import pytest

from loop_kit.core.loop.growth import growth, is_test
from loop_kit.core.loop.state import Growth

TESTS = (
    "tests/adapters/helpers.py",
    "test_cart.py",
    "shop/cart_test.go",
    "shop/conftest.py",
    "web/src/cart.spec.ts",
    "web/src/cart.test.tsx",
    "web/src/__tests__/cart.js",
    "web/src/__snapshots__/cart.test.js.snap",
    "app/src/test/java/shop/Cart.java",
    "app/src/androidTest/kotlin/Cart.kt",
    "shop/CartTest.java",
    "shop/CartTests.swift",
    "Shop.Tests/Cart.cs",
    "ShopTests/Cart.swift",
    "spec/models/cart_spec.rb",
    "spec_helper.rb",
    "cart_test.rb",
    "crates/cart/tests/it.rs",
    "src/cart/tests.rs",
    "test/cart.exs",
    "internal/cart/testdata/golden.json",
    "test-utils.js",
    "e2e/login.cy.js",
)
SOURCE = (
    "src/cart.py",
    "latest.py",
    "contest.go",
    "src/attestation/sign.rs",
    "protest/march.py",
    "Fastest.java",
    "special.rb",
    "inspector/view.ts",
    "README.md",
    "testing.md",
    "Makefile",
)


@pytest.mark.parametrize("path", TESTS)
def test_a_test_is_known_by_the_folder_or_the_name_that_its_language_gives_it(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize("path", SOURCE)
def test_other_files_are_source(path: str) -> None:
    assert not is_test(path)


def test_source_and_tests_are_counted_apart_and_lock_files_not_at_all() -> None:
    changed = [
        ("src/cart.py", 10),
        ("README.md", 1),
        ("tests/test_cart.py", 40),
        ("package-lock.json", 9_000),
        ("uv.lock", 700),
        ("go.sum", 20),
    ]
    assert growth(changed) == Growth(source=11, tests=40)
    assert growth([]) == Growth()
