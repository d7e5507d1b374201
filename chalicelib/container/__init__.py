"""The container: builds what each function needs, once for each execution environment.

A builder imports its modules only when it is called: all functions of a stage are deployed as one
package, and modules that a function does not need would make its cold start longer. The builders of
a feature are a module of their own for the same reason.
"""
