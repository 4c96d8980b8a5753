"""PostgreSQL, the one store, by psycopg 3. SQL stays SQL: named queries in `.sql` files beside the code."""
