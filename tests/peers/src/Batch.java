import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** An outcome as it stands on {@code cu.clearing} (proto/cityunion/v1/log.proto), read without copying. */
final class Batch {
    /** Bytes of a tap. */
    static final int TAP = 52;
    private static final int POSITION_TERMINAL = 6;
    private static final int POSITION_SEQUENCE = 12;
    private static final int POSITION_SECTOR = 28;
    private static final int POSITION_AMOUNT = 30;

    /** The taps of one home city with its verdicts. */
    record Part(String issuer, ByteBuffer taps, ByteBuffer codes) {
        int size() {
            return taps.remaining() / TAP;
        }

        private int at(int tap, int field) {
            return taps.position() + tap * TAP + field;
        }

        boolean accepted(int tap) {
            return codes.get(codes.position() + tap) == 0;
        }

        /** Six bytes of terminal number. */
        long terminal(int tap) {
            int at = at(tap, POSITION_TERMINAL);
            return (taps.getInt(at) & 0xFFFF_FFFFL) | (long) (taps.getShort(at + 4) & 0xFFFF) << 32;
        }

        int sequence(int tap) {
            return taps.getInt(at(tap, POSITION_SEQUENCE));
        }

        byte sector(int tap) {
            return taps.get(at(tap, POSITION_SECTOR));
        }

        long amount(int tap) {
            return taps.getInt(at(tap, POSITION_AMOUNT)) & 0xFFFF_FFFFL;
        }

        /** What another record of the same identity is compared with. */
        long content(int tap) {
            int at = at(tap, 16);
            long hash = 0;
            for (int word = 0; word < 4; word++) {
                hash = (hash ^ taps.getLong(at + 8 * word)) * 0x9E37_79B9_7F4A_7C15L;
                hash ^= hash >>> 32;
            }
            return hash;
        }
    }

    final String acquirer;
    final long number;
    final byte[] digest;
    final int records;
    final List<Part> parts;

    private Batch(String acquirer, long number, byte[] digest, int records, List<Part> parts) {
        this.acquirer = acquirer;
        this.number = number;
        this.digest = digest;
        this.records = records;
        this.parts = parts;
    }

    /** Null for a message that is no outcome. */
    static Batch read(byte[] message) {
        ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        if (message.length == 0 || varint(in) != (1 << 3 | 2)) {
            return null;
        }
        ByteBuffer outcome = bytes(in);
        String acquirer = "";
        long number = 0;
        byte[] digest = new byte[0];
        int records = 0;
        List<Part> parts = new ArrayList<>(80);
        while (outcome.hasRemaining()) {
            int tag = (int) varint(outcome);
            switch (tag >>> 3) {
                case 1 -> acquirer = text(outcome);
                case 2 -> number = varint(outcome);
                case 3 -> digest = copy(bytes(outcome));
                case 5 -> records = (int) varint(outcome);
                case 6 -> parts.add(part(bytes(outcome)));
                default -> skip(outcome, tag);
            }
        }
        return new Batch(acquirer, number, digest, records, parts);
    }

    private static Part part(ByteBuffer in) {
        String issuer = "";
        ByteBuffer taps = ByteBuffer.allocate(0);
        ByteBuffer codes = ByteBuffer.allocate(0);
        while (in.hasRemaining()) {
            int tag = (int) varint(in);
            ByteBuffer inner = bytes(in);
            while (inner.hasRemaining()) {
                int field = (int) varint(inner) >>> 3;
                ByteBuffer value = bytes(inner);
                if (tag >>> 3 == 2 && field == 1) {
                    codes = value;
                } else if (tag >>> 3 == 1 && field == 1) {
                    issuer = new String(copy(value), java.nio.charset.StandardCharsets.US_ASCII);
                } else if (tag >>> 3 == 1 && field == 2) {
                    taps = value;
                }
            }
        }
        return new Part(issuer, taps, codes);
    }

    /** The answer to the acquirer, as BatchResult stands on the wire: no exceptions. */
    byte[] result() {
        byte[] city = acquirer.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        ByteBuffer out = ByteBuffer.allocate(64 + city.length + digest.length);
        out.put((byte) (1 << 3 | 2)).put((byte) city.length).put(city);
        put(out.put((byte) (2 << 3)), number);
        out.put((byte) (3 << 3 | 2)).put((byte) digest.length).put(digest);
        put(out.put((byte) (4 << 3)), records);
        put(out.put((byte) (5 << 3)), 1);
        return java.util.Arrays.copyOf(out.array(), out.position());
    }

    private static void put(ByteBuffer out, long value) {
        while (value > 0x7F) {
            out.put((byte) (value | 0x80));
            value >>>= 7;
        }
        out.put((byte) value);
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = in.get();
            value |= (long) (next & 0x7F) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }

    private static ByteBuffer bytes(ByteBuffer in) {
        int length = (int) varint(in);
        ByteBuffer value = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
        in.position(in.position() + length);
        return value;
    }

    private static byte[] copy(ByteBuffer in) {
        byte[] copy = new byte[in.remaining()];
        in.get(in.position(), copy);
        return copy;
    }

    private static String text(ByteBuffer in) {
        return new String(copy(bytes(in)), java.nio.charset.StandardCharsets.UTF_8);
    }

    private static void skip(ByteBuffer in, int tag) {
        if ((tag & 7) == 0) {
            varint(in);
        } else {
            bytes(in);
        }
    }
}
