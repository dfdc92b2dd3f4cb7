-- Functions whose signature has changed. claim has one parameter more, which need not be given, so
-- clients of the release before find it; the others are called by functions that are replaced below.
drop function {schema}.choose(
    text, text, uuid[], double precision, integer, timestamptz);
drop function {schema}.claim(
    text, text, text[], integer, boolean, text[], double precision[]);
drop function {schema}.take_slots(text, text[], integer, timestamptz);
drop function {schema}.settle_slots(bigint[], uuid[], uuid[], text, timestamptz);
drop function {schema}.share_lanes(text, text, text[], integer, text);
