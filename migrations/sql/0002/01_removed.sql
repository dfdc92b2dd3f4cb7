-- Internal functions whose signature has changed: only their callers, replaced below, called them.
drop function {schema}.choose(
    text, text, uuid[], double precision, integer, timestamptz);
