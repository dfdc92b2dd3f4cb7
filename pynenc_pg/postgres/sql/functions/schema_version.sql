-- The revision of the schema, and the oldest one whose workers it still serves. For whoever starts: what is
-- older than the second, or needs more than the first, says so and does not begin.
create or replace function {schema}.schema_version(out revision text, out serves_from text)
language sql immutable {definer} as $$ select 'pynenc_0002'::text, 'pynenc_0001'::text $$;
