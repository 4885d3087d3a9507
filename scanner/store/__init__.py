"""The store of runs: ``Store.open(place)``; :class:`StoreError` says what is wrong with one."""

from scanner.store.errors import StoreError
from scanner.store.history import History, Period
from scanner.store.journal import Circumstances, Journal
from scanner.store.store import Pruned, Store, Summary

__all__ = ["Circumstances", "History", "Journal", "Period", "Pruned", "Store", "StoreError", "Summary"]
