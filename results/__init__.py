"""What a trial leaves behind: records, store, seal, scoring, publishing. Imports none of ours."""
