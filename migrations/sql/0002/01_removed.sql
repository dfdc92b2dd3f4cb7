-- Functions whose signature has changed. claim has one parameter more, which need not be given, so
-- clients of the release before find it; choose is called by claim alone.
drop function {schema}.choose(
    text, text, uuid[], double precision, integer, timestamptz);
drop function {schema}.claim(
    text, text, text[], integer, boolean, text[], double precision[]);
