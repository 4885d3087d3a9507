"""The store of runs: ``Store.open(place)``; :class:`StoreError` says what is wrong with one."""

from scanner.store.errors import StoreError
from scanner.store.journal import Circumstances, Journal
from scanner.store.store import Period, Pruned, Store, Summary

__all__ = ["Circumstances", "Journal", "Period", "Pruned", "Store", "StoreError", "Summary"]
