package sagelab.s3

import java.io.{EOFException, IOException}

import org.apache.hadoop.fs.{FSExceptionMessages, FSInputStream}

/** An object, read in blocks: small ones where the reader jumps, larger ones as long as it reads on.
  * given: told how many bytes the reader has got.
  */
final class Input(bucket: Bucket, entry: Entry, largest: Int, given: Long => Unit) extends FSInputStream {
  private var block = Array.emptyByteArray
  private var start = 0L // of the block, in the object
  private var position = 0L
  private var size = Input.Smallest
  private var closed = false

  override def getPos: Long = position

  override def seek(to: Long): Unit = {
    alive()
    if (to < 0) throw new EOFException(s"${FSExceptionMessages.NEGATIVE_SEEK} $to")
    if (to > entry.size) throw new EOFException(s"${FSExceptionMessages.CANNOT_SEEK_PAST_EOF} $to")
    position = to
  }

  override def seekToNewSource(to: Long): Boolean = false

  override def available(): Int = {
    alive()
    if (held) (start + block.length - position).toInt else 0
  }

  override def read(): Int = {
    val one = new Array[Byte](1)
    if (read(one, 0, 1) < 0) -1 else one(0) & 0xff
  }

  override def read(into: Array[Byte], offset: Int, length: Int): Int = {
    alive()
    if (length == 0) return 0
    if (position >= entry.size) return -1
    if (!held) fill()
    val from = (position - start).toInt
    val count = math.min(length, block.length - from)
    System.arraycopy(block, from, into, offset, count)
    position += count
    given(count)
    count
  }

  /** What is far from where the stream is goes straight to the reader. */
  override def readFully(at: Long, into: Array[Byte], offset: Int, length: Int): Unit = {
    alive()
    validatePositionedReadArgs(at, into, offset, length)
    if (at + length > entry.size) throw new EOFException(FSExceptionMessages.EOF_IN_READ_FULLY)
    if (length > 0) {
      if (at >= start && at + length <= start + block.length)
        System.arraycopy(block, (at - start).toInt, into, offset, length)
      else load(at, into, offset, length)
      given(length)
    }
  }

  override def read(at: Long, into: Array[Byte], offset: Int, length: Int): Int = {
    val count = math.min(length.toLong, entry.size - at).toInt
    if (length > 0 && count <= 0) -1 else { readFully(at, into, offset, count); count }
  }

  override def close(): Unit = {
    closed = true
    block = Array.emptyByteArray
  }

  private def held: Boolean = position >= start && position < start + block.length

  private def fill(): Unit = {
    val onward = position == start + block.length && block.nonEmpty
    size = if (onward) math.min(size * 2, largest) else Input.Smallest
    // The end of a file holds what is to be known of the rest: it comes in one piece.
    val length = math.min(if (entry.size - position <= Input.Tail) Input.Tail else size, entry.size - position).toInt
    val fresh = new Array[Byte](length)
    load(position, fresh, 0, length)
    block = fresh
    start = position
  }

  /** Exactly these bytes. What broke off is asked for again from where it did. */
  private def load(at: Long, into: Array[Byte], offset: Int, length: Int): Unit = {
    var done = 0
    var idle = 0
    while (done < length) {
      val before = done
      val answer = try bucket.get(entry.key, at + done, at + length, entry.tag) catch { case error: Refused => throw explain(error) }
      try {
        var count = 0
        while (done < length && { count = answer.body.read(into, offset + done, length - done); count >= 0 }) done += count
      } catch { case error: IOException if idle < Input.Breaks => () }
      finally answer.body.close()
      idle = if (done > before) 0 else idle + 1
      if (idle > Input.Breaks) throw new IOException(s"s3a://${bucket.name}/${entry.key} breaks off at ${at + done}")
    }
  }

  private def explain(error: Refused): IOException =
    if (error.status == 412) new IOException(s"s3a://${bucket.name}/${entry.key} was changed while it was read", error)
    else if (error.status == 416) new EOFException(s"s3a://${bucket.name}/${entry.key} is shorter than it was")
    else error

  private def alive(): Unit = if (closed) throw new IOException(FSExceptionMessages.STREAM_IS_CLOSED)
}

object Input {
  private val Smallest = 128 << 10
  private val Tail = 1 << 20
  private val Breaks = 3
}
